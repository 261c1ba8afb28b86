"""Integrations: accounts at Vercel, Netlify and Railway, and environments that are synced with their projects."""
