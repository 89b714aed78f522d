-- Every listen is in exactly one hour: the days where the two counts differ.
{{ days_out_of_balance('count(*)', ref('fct_listens'), ref('listening_hourly'), 'listens') }}
