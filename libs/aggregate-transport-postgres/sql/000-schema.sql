-- The schema that holds the tables. Not run where it exists, so that a role without CREATE on the database can migrate.
create schema if not exists :"schema";
