//! Columns: types that Rust's own are no match for, and values read from a row.

use consign_core::time::Timestamp;
use serde_json::Value;
use sqlx::{
    Decode, Encode, Postgres, Row as _, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{
        PgArgumentBuffer, PgHasArrayType, PgRow, PgTypeInfo, PgValueFormat, PgValueRef, types::Oid,
    },
};

use crate::fault::Fault;

/// An identifier, as a `uuid`: they are in the order of their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) [u8; 16]);

/// A number from 0 on, as a `numeric`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u128);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.into())
    }
}

impl From<Timestamp> for Number {
    fn from(time: Timestamp) -> Self {
        Self::from(time.as_millis())
    }
}

impl Type<Postgres> for Id {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2950))
    }
}

impl PgHasArrayType for Id {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(2951))
    }
}

impl Encode<'_, Postgres> for Id {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        buffer.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Id {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => Ok(Self(value.as_bytes()?.try_into()?)),
            PgValueFormat::Text => Err("an identifier is read as its bytes".into()),
        }
    }
}

impl Type<Postgres> for Number {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1700))
    }
}

impl PgHasArrayType for Number {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(1231))
    }
}

/// Digits of base 10,000, with the weight of the first: the protocol's `numeric_send`.
impl Encode<'_, Postgres> for Number {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let (mut rest, mut digits) = (self.0, Vec::new());
        while rest > 0 {
            digits.push(u16::try_from(rest % 10_000)?);
            rest /= 10_000;
        }
        let count = u16::try_from(digits.len())?;
        for word in [count, count.saturating_sub(1), 0, 0] {
            buffer.extend_from_slice(&word.to_be_bytes());
        }
        for digit in digits.iter().rev() {
            buffer.extend_from_slice(&digit.to_be_bytes());
        }
        Ok(IsNull::No)
    }
}

impl Decode<'_, Postgres> for Number {
    fn decode(value: PgValueRef<'_>) -> Result<Self, BoxDynError> {
        match value.format() {
            PgValueFormat::Binary => number(value.as_bytes()?)
                .map(Self)
                .ok_or_else(|| "not a whole number from 0 on".into()),
            PgValueFormat::Text => Ok(Self(value.as_str()?.parse()?)),
        }
    }
}

fn number(bytes: &[u8]) -> Option<u128> {
    let (words, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    let mut words = words.iter().map(|word| u16::from_be_bytes(*word));
    let (count, weight) = (words.next()?, words.next()?);
    let (sign, _) = (words.next()?, words.next()?);
    if sign != 0 || (count > 0 && weight.checked_add(1)? < count) {
        return None;
    }
    let mut number = 0_u128;
    for digit in words {
        number = number.checked_mul(10_000)?.checked_add(digit.into())?;
    }
    // Digits of 0 at the end are not sent.
    let left = if count == 0 { 0 } else { weight + 1 - count };
    (0..left).try_fold(number, |number, _| number.checked_mul(10_000))
}

/// What a row holds, by its columns' names.
pub(crate) struct Columns<'r>(pub(crate) &'r PgRow);

impl<'r> Columns<'r> {
    pub(crate) fn get<T>(&self, column: &str) -> Result<T, Fault>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn id(&self, column: &str) -> Result<[u8; 16], Fault> {
        Ok(self.get::<Id>(column)?.0)
    }

    pub(crate) fn ids(&self, column: &str) -> Result<Vec<[u8; 16]>, Fault> {
        let ids: Vec<Id> = self.get(column)?;
        Ok(ids.into_iter().map(|id| id.0).collect())
    }

    pub(crate) fn bytes<const LEN: usize>(&self, column: &str) -> Result<[u8; LEN], Fault> {
        let bytes: &[u8] = self.get(column)?;
        bytes.try_into().map_err(|_| damaged(column))
    }

    /// A text that a type of the domain is made of.
    pub(crate) fn parsed<T: TryFrom<String>>(&self, column: &str) -> Result<T, Fault> {
        T::try_from(self.get(column)?).map_err(|_| damaged(column))
    }

    pub(crate) fn parsed_or_null<T: TryFrom<String>>(
        &self,
        column: &str,
    ) -> Result<Option<T>, Fault> {
        let text: Option<String> = self.get(column)?;
        let parsed = text.map(|text| T::try_from(text).map_err(|_| damaged(column)));
        parsed.transpose()
    }

    /// A number from 0 on that is a `bigint` or smaller there.
    pub(crate) fn small<T: TryFrom<i64>>(&self, column: &str) -> Result<T, Fault> {
        let number: i64 = self.get(column)?;
        T::try_from(number).map_err(|_| damaged(column))
    }

    pub(crate) fn small_or_null<T: TryFrom<i64>>(&self, column: &str) -> Result<Option<T>, Fault> {
        let number: Option<i64> = self.get(column)?;
        let number = number.map(|number| T::try_from(number).map_err(|_| damaged(column)));
        number.transpose()
    }

    pub(crate) fn number(&self, column: &str) -> Result<u64, Fault> {
        let number: Number = self.get(column)?;
        u64::try_from(number.0).map_err(|_| damaged(column))
    }

    /// A sum; one that is larger than any number is told as the largest.
    pub(crate) fn sum(&self, column: &str) -> Result<u64, Fault> {
        let number: Number = self.get(column)?;
        Ok(u64::try_from(number.0).unwrap_or(u64::MAX))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, Fault> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(crate) fn time_or_null(&self, column: &str) -> Result<Option<Timestamp>, Fault> {
        let number: Option<Number> = self.get(column)?;
        let number = number.map(|number| u64::try_from(number.0).map_err(|_| damaged(column)));
        Ok(number.transpose()?.map(Timestamp::from_millis))
    }
}

pub(crate) fn damaged(column: &str) -> Fault {
    Fault::Damaged(format!("the column {column} holds what it cannot"))
}

/// A position as the database has it; `None` where it is beyond all that it can have.
pub(crate) fn position(seq: u64) -> Option<i64> {
    i64::try_from(seq).ok()
}

/// Rows to be told at once, as `jsonb_populate_recordset` takes them.
pub(crate) fn rows(rows: Vec<Value>) -> sqlx::types::Json<Vec<Value>> {
    sqlx::types::Json(rows)
}

/// Bytes as a `bytea` is written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_written_as_it_is_read(given: u128, shift in 0..128_u32) {
            let given = given >> shift;
            let mut buffer = PgArgumentBuffer::default();
            prop_assert!(Number(given).encode_by_ref(&mut buffer).is_ok());
            prop_assert_eq!(number(&buffer), Some(given));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = number(&bytes);
        }
    }

    #[test]
    fn zeros_at_the_end_are_not_sent() {
        // 50,000,000 is one digit of weight 1.
        assert_eq!(
            number(&[0, 1, 0, 1, 0, 0, 0, 0, 0x13, 0x88]),
            Some(50_000_000)
        );
        assert_eq!(number(&[0, 0, 0, 0, 0, 0, 0, 0]), Some(0));
        // Negative; with a fraction.
        assert_eq!(number(&[0, 1, 0, 0, 0x40, 0, 0, 0, 0, 1]), None);
        assert_eq!(number(&[0, 2, 0, 0, 0, 0, 0, 4, 0, 1, 0, 1]), None);
    }
}
