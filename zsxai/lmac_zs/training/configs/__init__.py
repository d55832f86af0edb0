"""Configurations of trainings that come with zsxai."""
