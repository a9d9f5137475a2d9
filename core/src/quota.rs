//! What the files of one user take, and what they may take.

/// What the files of one user take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Files, each version of one name counted.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
}

impl Usage {
    /// This and `more` together; no sum is too large to be told as one.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        Self {
            files: self.files.saturating_add(more.files),
            bytes: self.bytes.saturating_add(more.bytes),
        }
    }

    /// This without `less`, which is part of it.
    #[must_use]
    pub fn minus(self, less: Self) -> Self {
        Self {
            files: self.files.saturating_sub(less.files),
            bytes: self.bytes.saturating_sub(less.bytes),
        }
    }

    /// One file of `bytes` bytes.
    pub const fn file(bytes: u64) -> Self {
        Self { files: 1, bytes }
    }
}

/// What the files of each user may take at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Files, each version of one name counted; `None` is no limit.
    pub files: Option<u64>,
    /// Bytes of their content; `None` is no limit.
    pub bytes: Option<u64>,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self {
        files: None,
        bytes: None,
    };

    /// No file at all.
    pub const NOTHING: Self = Self {
        files: Some(0),
        bytes: None,
    };

    /// Whether `usage` is within it.
    pub fn allows(&self, usage: Usage) -> bool {
        self.files.is_none_or(|most| usage.files <= most)
            && self.bytes.is_none_or(|most| usage.bytes <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_exact_in_files_and_in_bytes() {
        let usage = |files, bytes| Usage { files, bytes };
        let quota = Quota {
            files: Some(2),
            bytes: Some(100),
        };
        assert!(quota.allows(usage(2, 100)));
        assert!(!quota.allows(usage(3, 100)));
        assert!(!quota.allows(usage(2, 101)));
        assert!(Quota::NONE.allows(usage(u64::MAX, u64::MAX)));
    }

    #[test]
    fn sums_end_at_the_largest_number() {
        let most = Usage {
            files: u64::MAX,
            bytes: u64::MAX,
        };
        assert_eq!(most.plus(Usage::file(5)), most);
        assert_eq!(Usage::file(5).minus(most), Usage::default());
    }
}
