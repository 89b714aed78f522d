//! A dbt project to silver and gold, incremental by the Delta logs.
