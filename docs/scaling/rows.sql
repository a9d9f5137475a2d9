-- How many bytes the rows of a large installation take: a million of each kind, in the schema of storage-postgres, with
-- values as they are in practice. On an empty database, beside scripts/engines:
--   psql "$CONSIGN_TEST_POSTGRES" -c 'CREATE SCHEMA sizes' && (echo 'SET search_path = sizes;'
--     cat storage-postgres/migrations/0001.sql docs/scaling/rows.sql) | psql -q "$CONSIGN_TEST_POSTGRES"
\set many 1000000
CREATE TEMP TABLE who AS SELECT n, gen_random_uuid() AS id FROM generate_series(0, 9999) n;
CREATE UNIQUE INDEX ON who (n);

INSERT INTO users SELECT gen_random_uuid(), 'user-' || n, 'user-' || n || '@example.org', 'user-' || n || '@example.org', 'client',
    'active', '$scrypt$ln=15,r=8,p=3$' || left(md5(n::text), 22) || '$' || left(md5(n::text) || md5('b' || n), 43), 0,
    1790000000000 + n, false, false, NULL
    FROM generate_series(1, :many) n;
INSERT INTO files SELECT g.n, gen_random_uuid(), gen_random_uuid(), 'quarterly report ' || g.n || '.docx', 102400 + g.n % 900000,
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document', sha256(g.n::text::bytea), NULL,
    1790000000000 + g.n, who.id, 'user-' || who.n, true, '{}', '{}', NULL, NULL, NULL, NULL, NULL, NULL
    FROM generate_series(1, :many) g(n) JOIN who ON who.n = g.n % 10000 ORDER BY g.n;
INSERT INTO audiences SELECT 0, '00000000-0000-0000-0000-000000000000', position, NULL, uploaded_at FROM files ORDER BY position;
CREATE TEMP TABLE of_files AS SELECT position, id, name, encode(sha256, 'hex') AS sha256, size, uploaded_by FROM files;
-- An upload's event, then a download's of each file.
INSERT INTO trail SELECT position, sha256(name::bytea), jsonb_build_object('at', 1790000000000 + position,
    'by', jsonb_build_object('User', uploaded_by), 'kind', jsonb_build_object('FileAdded',
    jsonb_build_object('file', id, 'name', name, 'sha256', sha256))) FROM of_files ORDER BY position;
SELECT 'an event of an upload', pg_relation_size('trail') / :many AS heap, pg_indexes_size('trail') / :many AS indexes;
INSERT INTO trail SELECT position + :many, sha256(name::bytea), jsonb_build_object('at', 1790000000000 + position,
    'by', jsonb_build_object('User', uploaded_by), 'kind', jsonb_build_object('Download',
    jsonb_build_object('file', id, 'name', name, 'sha256', sha256, 'size', size, 'by_lease', NULL,
    'transfers', jsonb_build_object('started', 1, 'completed', 1, 'bytes', size)))) FROM of_files ORDER BY position;
SELECT 'the same and one of a download', pg_relation_size('trail') / :many AS heap, pg_indexes_size('trail') / :many AS indexes;
INSERT INTO downloads SELECT 0, id, '00000000-0000-0000-0000-000000000000', position + :many FROM of_files ORDER BY position;
INSERT INTO downloads SELECT 2, id, uploaded_by, position + :many FROM of_files ORDER BY position;
INSERT INTO downloaded SELECT 0, id, '00000000-0000-0000-0000-000000000000', 1, 1, size FROM of_files ORDER BY position;
INSERT INTO downloaded SELECT 2, id, uploaded_by, 1, 1, size FROM of_files ORDER BY position;
INSERT INTO links SELECT gen_random_uuid(), sha256(name::bytea), ARRAY[id], uploaded_by, 1790000000000 + position,
    1790000000000 + position + 604800000, NULL, 1, NULL, NULL, NULL, NULL, 0 FROM of_files ORDER BY position;
INSERT INTO leases SELECT gen_random_uuid(), id, 1790000000000, 1790000000000 + position, NULL FROM links, generate_series(1, 1) position;
ANALYZE;
SELECT relname AS "table", pg_relation_size(oid) / :many AS heap, pg_indexes_size(oid) / :many AS indexes,
    pg_total_relation_size(oid) / :many AS "bytes for each of a million"
    FROM pg_class WHERE relnamespace = 'sizes'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 1000000 ORDER BY relname;
SELECT relname AS "index", pg_relation_size(oid) / :many AS bytes
    FROM pg_class WHERE relnamespace = 'sizes'::regnamespace AND relkind = 'i' AND pg_relation_size(oid) > 1000000 ORDER BY relname;
