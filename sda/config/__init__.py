"""From files and words to checked objects."""
