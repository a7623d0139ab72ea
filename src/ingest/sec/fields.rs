//! The elements of ownership documents that hold something, by name. Schemas X0206 to X0609 name them alike.

macro_rules! fields {
    ($($field:ident = $name:literal,)+) => {
        /// An element whose text is kept.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field {
            $(
                #[doc = concat!("`", $name, "`")]
                $field,
            )+
        }

        impl Field {
            /// The field of an element's name.
            #[must_use]
            pub fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Field::$field),)+
                    _ => None,
                }
            }

            /// Its element's name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Field::$field => $name,)+
                }
            }
        }
    };
}

fields! {
    DocumentType = "documentType",
    Period = "periodOfReport",
    OriginalDate = "dateOfOriginalSubmission",
    IssuerCik = "issuerCik",
    IssuerName = "issuerName",
    IssuerSymbol = "issuerTradingSymbol",
    Plan = "aff10b5One",
    Remarks = "remarks",
    SignatureDate = "signatureDate",
    Footnote = "footnote",

    OwnerCik = "rptOwnerCik",
    OwnerName = "rptOwnerName",
    IsDirector = "isDirector",
    IsOfficer = "isOfficer",
    IsTenPercentOwner = "isTenPercentOwner",
    IsOther = "isOther",
    OfficerTitle = "officerTitle",
    OtherText = "otherText",

    Security = "securityTitle",
    Date = "transactionDate",
    Coding = "transactionCoding",
    Code = "transactionCode",
    Timeliness = "transactionTimeliness",
    DeemedDate = "deemedExecutionDate",
    Shares = "transactionShares",
    TotalValue = "transactionTotalValue",
    Price = "transactionPricePerShare",
    AcquiredDisposed = "transactionAcquiredDisposedCode",
    SharesAfter = "sharesOwnedFollowingTransaction",
    ValueAfter = "valueOwnedFollowingTransaction",
    DirectIndirect = "directOrIndirectOwnership",
    Nature = "natureOfOwnership",
    ExercisePrice = "conversionOrExercisePrice",
    ExerciseDate = "exerciseDate",
    ExpirationDate = "expirationDate",
    Underlying = "underlyingSecurityTitle",
    UnderlyingShares = "underlyingSecurityShares",
    UnderlyingValue = "underlyingSecurityValue",
}

/// The four elements that are rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowKind {
    /// In the table of derivatives.
    pub derivative: bool,
    /// A transaction; else a holding.
    pub transaction: bool,
}

impl RowKind {
    /// The kind of row that an element of this name is.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let (derivative, transaction) = match name {
            "nonDerivativeTransaction" => (false, true),
            "nonDerivativeHolding" => (false, false),
            "derivativeTransaction" => (true, true),
            "derivativeHolding" => (true, false),
            _ => return None,
        };
        Some(RowKind {
            derivative,
            transaction,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for field in [Field::DocumentType, Field::Price, Field::UnderlyingShares] {
            assert_eq!(Field::of(field.name()), Some(field));
        }
        assert_eq!(Field::of("value"), None);
        assert_eq!(RowKind::of("derivativeTable"), None);
    }
}
