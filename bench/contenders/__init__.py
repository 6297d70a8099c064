"""The contenders: each module is a program that submits jobs and follows them to their end."""
