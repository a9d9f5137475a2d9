//! Blobs of Consign in S3-compatible object stores.
