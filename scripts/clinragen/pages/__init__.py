"""HTML pages for people: self-contained single files, from one set of templates and one stylesheet."""
