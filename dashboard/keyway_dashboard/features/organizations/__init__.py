"""Organisations: connected ones, their people, what members may do by default, and what they pay."""
