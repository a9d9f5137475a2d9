use std::{fmt, time::Duration};

use url::Url;

/// How a store works. What is not set here comes from the environment: see [the crate](crate).
#[derive(Clone)]
pub struct Options {
    pub(crate) part_size: usize,
    pub(crate) buffers: usize,
    pub(crate) buffer_wait: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) retries: u32,
    pub(crate) retry_for: Duration,
    pub(crate) endpoint: Option<Url>,
    pub(crate) region: Option<String>,
    pub(crate) credentials: Option<(String, String)>,
}

impl Options {
    /// Bytes of a part: what a stage keeps in memory before it is sent, and loses when it is dropped. At
    /// least 1; usually 8 MiB. Below 5 MiB, S3's least, what is published passes through this process once more.
    ///
    /// The parts of a very long stage are longer: from the 1001st on twice that, from the 2001st on
    /// three times.
    #[must_use]
    pub fn part_size(mut self, bytes: usize) -> Self {
        self.part_size = bytes.max(1);
        self
    }

    /// Parts that are in memory at once, of all stages, at most: what is more waits. At least 1; usually 64.
    #[must_use]
    pub fn buffers(mut self, buffers: usize) -> Self {
        self.buffers = buffers.clamp(1, u32::MAX as usize / 16);
        self
    }

    /// How long to wait for one of them before a stage is
    /// [`Busy`](consign_core::store::StoreError::Busy); usually 10 s.
    #[must_use]
    pub fn buffer_wait(mut self, wait: Duration) -> Self {
        self.buffer_wait = wait;
        self
    }

    /// How long a connection may take to be made; usually 5 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take, to the end of its answer; usually 30 s. A part has to be sent within it.
    /// One that puts a long upload together may take ten times that.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// How often a request that failed is sent again, at most; usually 2 times.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// How long after it was first sent a request is not sent again any more; usually 10 s.
    #[must_use]
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Where the store is, if not at Amazon.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Url) -> Self {
        self.endpoint = Some(endpoint);
        self
    }

    /// The region that requests are signed for.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The id of an access key, and the key.
    #[must_use]
    pub fn credentials(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.credentials = Some((id.into(), secret.into()));
        self
    }

    /// Bytes of the part that is made after so many.
    pub(crate) fn part_len(&self, parts: usize) -> usize {
        self.part_size.saturating_mul(self.units(parts))
    }

    /// Buffers that such a part takes.
    pub(crate) fn units(&self, parts: usize) -> usize {
        (1 + parts / 1000).min(self.buffers)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            part_size: 8 << 20,
            buffers: 64,
            buffer_wait: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            retries: 2,
            retry_for: Duration::from_secs(10),
            endpoint: None,
            region: None,
            credentials: None,
        }
    }
}

/// Shows no credential.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("part_size", &self.part_size)
            .field("buffers", &self.buffers)
            .field("buffer_wait", &self.buffer_wait)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("retries", &self.retries)
            .field("retry_for", &self.retry_for)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::MOST_PARTS;

    #[test]
    fn there_is_room_for_hundreds_of_gigabytes() {
        let options = Options::default();
        let total: usize = (0..MOST_PARTS).map(|parts| options.part_len(parts)).sum();
        assert_eq!(total, 55_000 * (8 << 20));
        assert_eq!(options.part_len(0), 8 << 20);
        assert_eq!(options.buffers(2).part_len(9999), 16 << 20);
    }

    #[test]
    fn no_credential_is_shown() {
        let endpoint = Url::parse("https://me:endpoint-secret@host").unwrap();
        let options = Options::default()
            .credentials("key-id", "key-secret")
            .endpoint(endpoint);
        let shown = format!("{options:?}");
        assert!(!shown.contains("secret") && !shown.contains("key-id"));
    }
}
