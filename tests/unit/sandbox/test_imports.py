import io

import pytest
from meentwerk_sandbox import imports
from starlette.datastructures import UploadFile

HEADER = "Account address,Show boosts,Notify on new posts,Languages\n"


def rows(text: str | bytes) -> list[imports.Row]:
    return imports.rows_of(
        UploadFile(io.BytesIO(text.encode() if isinstance(text, str) else text), filename="list.csv")
    )


def test_a_list_with_headers() -> None:
    assert rows(HEADER + '@a@x.example,false,true,"nl, en"\n\nb@y.example,TRUE,,\n') == [
        {"acct": "a@x.example", "reblogs": False, "notify": True, "languages": ["nl", "en"]},
        {"acct": "b@y.example", "reblogs": True, "notify": None, "languages": None},
    ]


def test_a_list_without_headers_is_one_address_a_line() -> None:
    assert rows("a@x.example\r\n@b@y.example,true\r\n") == [{"acct": "a@x.example"}, {"acct": "b@y.example"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Empty CSV file"),
        (" \n\n", "Empty CSV file"),
        ("#domain,#severity\nx.example,suspend\n", "Incompatible with the selected import type"),
        ("#uri\nhttps://x.example/1\n", "Incompatible"),
        (HEADER + '"a@x.example,true\n', "Invalid CSV file"),
        (b"\xff\xfe", "Invalid CSV file"),
        (HEADER + "a@x.example,true,false,\n" * 20_001, "more than 20000 rows"),
    ],
)
def test_what_is_not_taken(text: str | bytes, message: str) -> None:
    with pytest.raises(imports.WrongFileError, match=message):
        rows(text)


def test_no_file_at_all() -> None:
    with pytest.raises(imports.WrongFileError, match="blank"):
        imports.rows_of(None)


def test_failures_can_be_imported_again() -> None:
    failed = rows(HEADER + 'a@x.example,false,true,"nl, en"\n')
    assert rows(imports.failures({"failures": failed})) == failed
