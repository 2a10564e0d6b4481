"""The zero-downtime drill: two versions behind a proxy, rolled under load, and not one request or event lost."""
