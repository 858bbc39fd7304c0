-- Deletions are few among the records, and are looked for by their revision when they are to be forgotten.
CREATE INDEX record_deletion ON record (revision) WHERE body IS NULL;
