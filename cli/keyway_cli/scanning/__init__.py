"""Finding secrets in files: rules, the search itself, where files come from, and what is known of finds already."""
