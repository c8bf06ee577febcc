-- Whom another issuer vouches for, and whose account that is. Tokens that were issued before all
-- sessions of the account were ended do not let in again.
CREATE TABLE outside_identities (
  issuer text NOT NULL,
  subject text NOT NULL,
  account_id bigint NOT NULL,
  is_confirmed boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_before timestamptz,
  CONSTRAINT outside_identities_pkey PRIMARY KEY (issuer, subject),
  CONSTRAINT outside_identities_account_exists FOREIGN KEY (account_id) REFERENCES accounts (id)
);

CREATE INDEX outside_identities_of_an_account ON outside_identities (account_id);

ALTER TABLE outside_identities ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps_the_books ON outside_identities TO tallystick_owner USING (true) WITH CHECK (true);
