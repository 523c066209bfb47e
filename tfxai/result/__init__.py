"""What an explanation is, as data: its fields, its words, its files, its forms for other packages."""
