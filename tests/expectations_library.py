"""What Great Expectations warns of while it is imported; warnings are errors in the tests."""

#: It imports modules of Python that are deprecated.
LIBRARY_WARNINGS = (r"module 'sre_[a-z]+' is deprecated",)
#: The same for a mark, where the library is imported while a test runs.
LIBRARY_FILTERS = tuple(f"ignore:{text}:DeprecationWarning" for text in LIBRARY_WARNINGS)
