"""Stage benchmark: from stays, events and notes to samples, labels, series and captions."""
