"""Result files of runs, read into tables."""
