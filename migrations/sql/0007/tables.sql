-- How full the bucket of each caller is, as the time at which it runs empty; one that is not here is
-- empty. Keys are keyed hashes, because some callers are known by their address only. Nothing is lost
-- that matters when the server crashes, so the table is not logged, and filling it waits for no disk.
CREATE UNLOGGED TABLE buckets (
  key uuid NOT NULL,
  empty_at timestamptz NOT NULL,
  taken bigint NOT NULL,
  CONSTRAINT buckets_pkey PRIMARY KEY (key),
  CONSTRAINT buckets_taken_is_never_negative CHECK (taken >= 0)
) WITH (fillfactor = 50);

ALTER TABLE buckets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps_the_books ON buckets TO tallystick_owner USING (true) WITH CHECK (true);
