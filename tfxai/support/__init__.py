"""Small things that know nothing of models: files, extras, checks, structures, ranks, blur."""
