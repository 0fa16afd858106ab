"""What a lab adds to emoclap: one file for each, in a package of its own."""
