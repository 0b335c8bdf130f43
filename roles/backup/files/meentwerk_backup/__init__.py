"""Backup and restore of one instance, on its host: the command meentwerk-backup of the role `backup`."""
