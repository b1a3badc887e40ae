"""The features that conditional prompts are made of: one number, two categories."""

NUMERIC = {"age": 100.0}
"""Numeric features, and what each is divided by so that it is between 0 and 1."""

# Types of admission of MIMIC-III 1.4 and MIMIC-IV 3.1 together; some have the same name in both.
ADMISSION_TYPES = (
    *("ELECTIVE", "EMERGENCY", "NEWBORN", "URGENT"),
    *("AMBULATORY OBSERVATION", "DIRECT EMER.", "DIRECT OBSERVATION", "EU OBSERVATION", "EW EMER."),
    *("OBSERVATION ADMIT", "SURGICAL SAME DAY ADMISSION"),
)
OTHER = "OTHER"
CATEGORIES = {"sex": ("F", "M", OTHER), "admission_type": (*ADMISSION_TYPES, OTHER)}
"""Categorical features and their categories; one that is missing or in no known release is OTHER."""

FEATURES = (*NUMERIC, *CATEGORIES)
