"""Tools that make parts of the documentation from the code; no part of the package."""
