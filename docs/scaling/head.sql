-- One transaction as a node makes it: the head's lock, some entries of the trail, the new end of it. For pgbench, in the schema of
-- rows.sql without its rows (PGOPTIONS='-c search_path=sizes'):
--   pgbench -n -M prepared -f docs/scaling/head.sql -D entries=1 -c 16 -j 2 -T 10 "$CONSIGN_TEST_POSTGRES"
BEGIN;
SELECT number, hash FROM head FOR UPDATE;
WITH next AS (UPDATE head SET number = number + :entries RETURNING number)
INSERT INTO trail SELECT next.number - n, sha256((next.number - n)::text::bytea), jsonb_build_object('at', 1790000000000 + n,
    'by', jsonb_build_object('User', repeat('0', 32)), 'kind', jsonb_build_object('Download', jsonb_build_object('file', repeat('0', 32),
    'name', 'quarterly report.docx', 'sha256', repeat('0', 64), 'size', 100000, 'by_lease', NULL,
    'transfers', jsonb_build_object('started', 1, 'completed', 1, 'bytes', 100000)))) FROM next, generate_series(0, :entries - 1) n;
COMMIT;
