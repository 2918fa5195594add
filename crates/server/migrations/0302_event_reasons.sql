-- Why a refresh failed, in a sentence that holds no secret; NULL for events that tell of no failure.
ALTER TABLE events ADD COLUMN reason TEXT;
