"""A traced model of whatever the user brought, and the scores and passes that methods are written with."""
