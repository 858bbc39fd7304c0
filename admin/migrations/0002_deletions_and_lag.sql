-- Deletions are few among the records, and are looked for by their revision when they are to be forgotten.
CREATE INDEX record_deletion ON record (revision) WHERE body IS NULL;

-- How many changes a gateway lacked when it reported.
ALTER TABLE gateway_status ADD COLUMN behind BIGINT NOT NULL DEFAULT 0;
