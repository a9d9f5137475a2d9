//! Users and the file catalogue of Consign in PostgreSQL, for any number of nodes.
