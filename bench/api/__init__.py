"""The chapter `api`: ports by the thousand on a lab of one host, beside peers of the same run."""
