-- The processes that run answers, each with the lease by which the others know that it lives. One row
-- stands for all answers that a process runs: renewing it is one update, however many they are.
CREATE TABLE runners (
  id uuid NOT NULL,
  lease_until timestamptz NOT NULL,
  CONSTRAINT runners_pkey PRIMARY KEY (id)
);

-- The questions of answers that wait for a process with room. Whoever claims the answer deletes the
-- question in the same commit: prompts are kept no longer than their turn.
CREATE TABLE waiting_questions (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  question text NOT NULL,
  CONSTRAINT waiting_questions_pkey PRIMARY KEY (account_id, moment, key_number)
);

CREATE INDEX waiting_questions_in_order ON waiting_questions (moment);

-- Answers that somebody wants canceled, until their runner has heard of it.
CREATE TABLE cancel_requests (
  account_id bigint NOT NULL,
  moment bigint NOT NULL,
  key_number integer NOT NULL,
  runner uuid NOT NULL,
  CONSTRAINT cancel_requests_pkey PRIMARY KEY (account_id, moment, key_number)
);

CREATE INDEX cancel_requests_of_a_runner ON cancel_requests (runner);

ALTER TABLE runners ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE waiting_questions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE cancel_requests ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY owner_keeps_the_books ON runners TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON waiting_questions TO tallystick_owner USING (true) WITH CHECK (true);
CREATE POLICY owner_keeps_the_books ON cancel_requests TO tallystick_owner USING (true) WITH CHECK (true);
