"""`sealane security-group`."""

from sealane.cli import creating, fields, noun
from sealane.cli.fields import Field
from sealane.cli.output import Column
from sealane.cli.security_rule import rule

GROUP = noun.Noun(
    name="security-group",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("STATEFUL", "stateful"),
        Column("RULES", "security_group_rules", lambda rules: str(len(rules or ()))),
        Column("DESCRIPTION", "description"),
    ),
    more=(Column("SHARED", "shared"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(
            option="--stateful/--stateless",
            key="stateful",
            help="Answers pass by themselves, or need rules of their own.",
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    examples={
        "group": "sealane security-group create web\nsealane security-group rule create web --port 80",
        "list": "sealane security-group list --project acme",
        "show": "sealane security-group show web -o json",
        "create": "sealane security-group create web --description 'what the world may see'",
        "set": "sealane security-group set web --name front",
        "add": "sealane security-group add web",
        "unset": "sealane security-group unset web --description",
        "delete": "sealane security-group delete web db",
        "tag": "sealane security-group tag set web front",
    },
)

security_group = noun.group(GROUP, creating.create(GROUP))
del security_group.commands["add"]  # no attribute of a group is a list
security_group.add_command(rule)
