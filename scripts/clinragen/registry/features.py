"""The features of conditional prompts: one numeric, two categorical."""

NUMERIC = {"age": 100.0}
"""Numeric features with the divisors that scale them to 0 to 1."""

# Admission types of MIMIC-III 1.4 and MIMIC-IV 3.1; some have the same name in both.
ADMISSION_TYPES = (
    *("ELECTIVE", "EMERGENCY", "NEWBORN", "URGENT"),
    *("AMBULATORY OBSERVATION", "DIRECT EMER.", "DIRECT OBSERVATION", "EU OBSERVATION", "EW EMER."),
    *("OBSERVATION ADMIT", "SURGICAL SAME DAY ADMISSION"),
)
OTHER = "OTHER"
CATEGORIES = {"sex": ("F", "M", OTHER), "admission_type": (*ADMISSION_TYPES, OTHER)}
"""Categorical features and their categories; missing and unknown values are OTHER."""

FEATURES = (*NUMERIC, *CATEGORIES)
