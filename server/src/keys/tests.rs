//! What is asked of keys that several nodes share.
