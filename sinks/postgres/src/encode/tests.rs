use std::sync::Arc;

use arrow::array::{
    Int32Array, Int64Array, ListArray, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema};
use stocktake_sink::contract::id;

use super::*;

fn encoded(field: Field, array: ArrayRef) -> Vec<Option<Vec<u8>>> {
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema, vec![array]).unwrap();
    let mut out = Vec::new();
    Encoder::new(&id("quay", 0), 1).rows(&batch, &mut out, |_| Ok::<_, ArrowError>(())).unwrap();
    let mut rows = Vec::new();
    let mut rest = &out[..];
    while !rest.is_empty() {
        assert_eq!(take(&mut rest, 2), 3_i16.to_be_bytes());
        assert_eq!(value(&mut rest).unwrap(), b"quay");
        // 2026-11-23 is 9823 days after 2000-01-01.
        assert_eq!(value(&mut rest).unwrap(), 9823_i32.to_be_bytes());
        rows.push(value(&mut rest));
    }
    rows
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(bytes);
    *rest = left;
    taken
}

fn value(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = i32::from_be_bytes(take(rest, 4).try_into().unwrap());
    usize::try_from(length).ok().map(|length| take(rest, length).to_vec())
}

fn texts(values: &[Option<&str>]) -> Vec<Option<Vec<u8>>> {
    values.iter().map(|value| value.map(|text| text.as_bytes().to_vec())).collect()
}

#[test]
fn texts_and_nulls_stay_and_nul_is_replaced() {
    let values = [Some("a"), None, Some(""), Some("x\0y\0"), Some("\0"), Some("ü")];
    let found = encoded(Field::new("c", DataType::Utf8, true), Arc::new(StringArray::from(values.to_vec())));
    assert_eq!(found, texts(&[Some("a"), None, Some(""), Some("x\u{fffd}y\u{fffd}"), Some("\u{fffd}"), Some("ü")]));
}

#[test]
fn a_slice_of_an_array_gives_its_own_rows() {
    let array = StringArray::from(vec![Some("before"), None, Some("in"), Some("after")]).slice(1, 2);
    assert_eq!(encoded(Field::new("c", DataType::Utf8, true), Arc::new(array)), texts(&[None, Some("in")]));
}

#[test]
fn numbers_are_in_network_order_and_times_count_from_2000() {
    let found = encoded(Field::new("c", DataType::Int32, true), Arc::new(Int32Array::from(vec![Some(-2), None])));
    assert_eq!(found, [Some(vec![0xff, 0xff, 0xff, 0xfe]), None]);
    let found = encoded(Field::new("c", DataType::Int64, false), Arc::new(Int64Array::from(vec![258])));
    assert_eq!(found, [Some(vec![0, 0, 0, 0, 0, 0, 1, 2])]);
    let found = encoded(Field::new("c", DataType::Boolean, false), Arc::new(BooleanArray::from(vec![true, false])));
    assert_eq!(found, [Some(vec![1]), Some(vec![0])]);
    let times = TimestampMicrosecondArray::from(vec![EPOCH_MICROS + 1, EPOCH_MICROS - 1]).with_timezone("UTC");
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let found = encoded(Field::new("c", kind, false), Arc::new(times));
    assert_eq!(found, [Some(1_i64.to_be_bytes().to_vec()), Some((-1_i64).to_be_bytes().to_vec())]);
}

#[test]
fn lists_are_json_that_a_cast_to_jsonb_takes() {
    let array = lists(&[Some(&[Some("a\0b"), None, Some("\\u0000"), Some("\\\0")]), None, Some(&[])]);
    let field = Field::new("c", array.data_type().clone(), true);
    let found = encoded(field, Arc::new(array));
    assert_eq!(found, texts(&[Some(r#"["a\ufffdb",null,"\\u0000","\\\ufffd"]"#), None, Some("[]")]));
}

fn lists(lists: &[Option<&[Option<&str>]>]) -> ListArray {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        list.iter().copied().flatten().for_each(|text| builder.values().append_option(*text));
        builder.append(list.is_some());
    }
    builder.finish()
}
