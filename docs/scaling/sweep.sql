-- What the sweep asks of each page of keys, all of which have files: after rows.sql, in its schema.
--   PGOPTIONS='-c search_path=sizes -c jit=off' psql "$CONSIGN_TEST_POSTGRES" -f docs/scaling/sweep.sql
PREPARE sweep(uuid[]) AS SELECT key FROM unnest($1) AS asked (key) WHERE NOT EXISTS (SELECT FROM files WHERE blob = key);
SELECT array_agg(blob) AS keys FROM (SELECT blob FROM files ORDER BY blob OFFSET 300000 LIMIT 1000) AS page \gset
\timing on
EXPLAIN (ANALYZE, BUFFERS) EXECUTE sweep(:'keys');
EXECUTE sweep(:'keys');
EXECUTE sweep(:'keys');
EXECUTE sweep(:'keys');
