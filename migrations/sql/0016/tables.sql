-- Alerts are told in the order of their revisions, to whoever follows them.
ALTER TABLE alerts ADD COLUMN revision bigint;

UPDATE alerts SET revision = id;

ALTER TABLE alerts ALTER COLUMN revision SET NOT NULL;

CREATE UNIQUE INDEX alerts_are_told_in_order ON alerts (revision);

-- What the running system found when it last recomputed its own books: a row for each run that came to
-- its end, removed after a while. `differences` are the rows that break any rule of `tallystick verify`,
-- `imbalances` those among them that break a rule about balances; `unfinished` are the rules that a
-- run had no time for. The newest row is how the books stand: administrators read the table, and
-- other processes ask last_book_check().
CREATE TABLE book_checks (
  id bigint GENERATED ALWAYS AS IDENTITY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  rules integer NOT NULL,
  unfinished integer NOT NULL,
  entries bigint NOT NULL,
  differences bigint NOT NULL,
  imbalances bigint NOT NULL,
  summary text NOT NULL,
  CONSTRAINT book_checks_pkey PRIMARY KEY (id),
  CONSTRAINT book_checks_count_what_they_found CHECK (
    unfinished BETWEEN 0 AND rules AND imbalances BETWEEN 0 AND differences)
);

ALTER TABLE book_checks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON book_checks TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY admins_see_all ON book_checks FOR SELECT TO tallystick_admin USING ((SELECT caller_is_admin()));
