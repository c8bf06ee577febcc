-- Accounts are looked for by how an address or a name begins.
CREATE INDEX account_contacts_by_beginning ON account_contacts (email text_pattern_ops);

CREATE INDEX accounts_by_beginning ON accounts (lower(display_name) text_pattern_ops);
