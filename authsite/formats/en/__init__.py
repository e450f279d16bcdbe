"""English, with dates that sort and have one meaning everywhere."""
