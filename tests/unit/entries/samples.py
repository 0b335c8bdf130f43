"""A right entry, to be changed by tests."""

TIDES = """\
mastodon_instances:
  hosts:
    tides:
      ansible_host: 192.0.2.11
      instance_domain: tides.example.org
      instance_organisation:
        name: Ministry of Tides
        register_id: https://register.example.org/organisations/tides
      instance_contact:
        email: webcare@tides.example.org
"""
