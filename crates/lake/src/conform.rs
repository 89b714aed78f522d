//! Values as files of before hold them, in the columns of now.
//!
//! Columns are added to a table, and fields to the records in its columns. Arrow's own cast knows the fields of
//! records by their places where it misses one of them by name, so that it would take one field for another.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, ListArray, MapArray, StructArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

/// The same values as `wanted`. The fields of records are found by name, also in lists and maps; those that
/// the values lack are null, and what they have besides is left out. A value that does not fit is an error.
pub fn conform(values: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    if values.data_type() == wanted {
        return Ok(Arc::clone(values));
    }
    match (values.data_type(), wanted) {
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let records = values.as_struct();
            let columns = fields
                .iter()
                .map(|field| match records.column_by_name(field.name()) {
                    Some(column) => conform(column, field.data_type()),
                    None => Ok(new_null_array(field.data_type(), records.len())),
                })
                .collect::<Result<_, _>>()?;
            let nulls = records.nulls().cloned();
            // Refuses a field that is missing and must not be.
            let records =
                StructArray::try_new_with_length(fields.clone(), columns, nulls, values.len())?;
            Ok(Arc::new(records))
        }
        (DataType::List(_), DataType::List(element)) => {
            let lists = values.as_list::<i32>();
            Ok(Arc::new(ListArray::try_new(
                Arc::clone(element),
                lists.offsets().clone(),
                conform(lists.values(), element.data_type())?,
                lists.nulls().cloned(),
            )?))
        }
        (DataType::LargeList(element) | DataType::ListView(element), DataType::List(_)) => {
            let lists = converted(values, &DataType::List(Arc::clone(element)))?;
            conform(&lists, wanted)
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return Err(ArrowError::SchemaError("a map has no entries".to_owned()));
            };
            let maps = values.as_map();
            let columns = [maps.keys(), maps.values()].into_iter().zip(pair);
            let columns = columns
                .map(|(column, field)| conform(column, field.data_type()))
                .collect::<Result<_, _>>()?;
            Ok(Arc::new(MapArray::try_new(
                Arc::clone(entries),
                maps.offsets().clone(),
                StructArray::try_new(pair.clone(), columns, None)?,
                maps.nulls().cloned(),
                *sorted,
            )?))
        }
        _ => converted(values, wanted),
    }
}

fn converted(values: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(values, wanted, &strict)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::buffer::{NullBuffer, OffsetBuffer};
    use arrow::datatypes::{Field, Fields};
    use arrow::util::display::array_value_to_string;

    use super::*;

    fn field(name: &str, data_type: DataType) -> Field {
        Field::new(name, data_type, true)
    }

    /// Records of `a` and `b`, the middle one null.
    fn records() -> ArrayRef {
        let fields = Fields::from(vec![
            field("a", DataType::Int64),
            field("b", DataType::Utf8),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, None])),
            Arc::new(StringArray::from(vec!["x", "", "z"])),
        ];
        let nulls = NullBuffer::from(vec![true, false, true]);
        Arc::new(StructArray::new(fields, columns, Some(nulls)))
    }

    /// As they are now: another field between them, and their order changed.
    fn wanted() -> DataType {
        DataType::Struct(Fields::from(vec![
            field("b", DataType::Utf8),
            field("new", DataType::Int64),
            field("a", DataType::Int64),
        ]))
    }

    fn shown(values: &ArrayRef) -> Vec<String> {
        let shown = |row| array_value_to_string(values, row).expect("shown");
        (0..values.len()).map(shown).collect()
    }

    #[test]
    fn fields_are_found_by_name_and_null_where_they_are_missing() {
        let conformed = conform(&records(), &wanted()).expect("fits");
        assert_eq!(conformed.data_type(), &wanted());
        assert_eq!(
            shown(&conformed),
            ["{b: x, new: , a: 1}", "", "{b: z, new: , a: }"]
        );
    }

    #[test]
    fn so_they_are_in_lists_and_maps_and_in_parts_of_those() {
        let offsets = OffsetBuffer::new(vec![0, 1, 1, 3].into());
        let element = Arc::new(field("element", records().data_type().clone()));
        let lists: ArrayRef = Arc::new(ListArray::new(element, offsets, records(), None));
        let list = DataType::List(Arc::new(field("element", wanted())));
        let of_lists = |values: DataType| {
            let pair = vec![
                Field::new("key", DataType::Utf8, false),
                field("value", values),
            ];
            let entries = Field::new("key_value", DataType::Struct(pair.into()), false);
            DataType::Map(Arc::new(entries), false)
        };
        let DataType::Map(entries, _) = of_lists(lists.data_type().clone()) else {
            unreachable!("it was made as one")
        };
        let DataType::Struct(pair) = entries.data_type() else {
            unreachable!("it was made as one")
        };
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["k", "l", "m"]));
        let pairs = StructArray::new(pair.clone(), vec![keys, Arc::clone(&lists)], None);
        let offsets = OffsetBuffer::new(vec![0, 2, 2, 3].into());
        let maps: ArrayRef = Arc::new(MapArray::new(entries, offsets, pairs, None, false));

        let conformed = conform(&lists.slice(1, 2), &list).expect("fits");
        assert_eq!(shown(&conformed), ["[]", "[, {b: z, new: , a: }]"]);
        let conformed = conform(&maps, &of_lists(list.clone())).expect("fits");
        assert_eq!(conformed.data_type(), &of_lists(list));
        assert_eq!(
            shown(&conformed),
            [
                "{k: [{b: x, new: , a: 1}], l: []}",
                "{}",
                "{m: [, {b: z, new: , a: }]}"
            ]
        );
    }

    #[test]
    fn what_must_not_be_null_is_not_made_up() {
        let strict = DataType::Struct(Fields::from(vec![
            field("a", DataType::Int64),
            Field::new("must", DataType::Int64, false),
        ]));
        let error = conform(&records(), &strict).expect_err("refused");
        assert!(error.to_string().contains("must"), "{error}");
        let text: ArrayRef = Arc::new(StringArray::from(vec!["no number"]));
        assert!(conform(&text, &DataType::Int64).is_err());
    }
}
