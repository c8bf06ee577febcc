-- The text of an answer in progress as it arrives, for those who follow it in another process. Nothing
-- is written here unless somebody does, and nothing is lost with it: the whole text is stored when the
-- answer is paid for. So neither table is worth a log. Nobody but functions reads them.
CREATE UNLOGGED TABLE answer_pieces (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  begins_at integer NOT NULL,
  text text NOT NULL,
  CONSTRAINT answer_pieces_pkey PRIMARY KEY (account_id, moment, key_number, begins_at)
);

-- Who runs one of these writes its pieces. Whoever follows one says so again from time to time.
CREATE UNLOGGED TABLE answer_followers (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  until timestamptz NOT NULL,
  CONSTRAINT answer_followers_pkey PRIMARY KEY (account_id, moment, key_number)
);

ALTER TABLE answer_pieces ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE answer_followers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON answer_pieces TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON answer_followers TO tallystick_owner USING (true) WITH CHECK (true);
