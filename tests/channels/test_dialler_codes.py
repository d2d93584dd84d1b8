"""What each dialler's codes mean, and that an unknown one stops the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.channels.dialler_desk import entry, read, told, utc
from waves.dispositions import Disposition as D
from waves.errors import InputError

CODES = {
    "vicidial": {
        "SALE": D.SALE, "CALLBK": D.CALLBACK_AGREED, "CBHOLD": D.CALLBACK_AGREED, "NI": D.NOT_INTERESTED,
        "XFER": D.CONNECTED_OTHER, "DNC": D.DNC_REQUEST, "DNCL": D.SUPPRESSED_DNC,
        "DNCC": D.SUPPRESSED_DNC, "DROP": D.ABANDONED, "PDROP": D.ABANDONED, "TIMEOT": D.ABANDONED, "A": D.MACHINE,
        "AA": D.MACHINE, "AL": D.MACHINE_MESSAGE_LEFT, "PM": D.MACHINE_MESSAGE_LEFT, "AFAX": D.FAX,
        "N": D.NO_ANSWER, "B": D.BUSY, "AB": D.BUSY, "DC": D.INVALID_NUMBER, "ADC": D.INVALID_NUMBER,
        "ADCT": D.TEMPORARY_FAILURE, "LRERR": D.TEMPORARY_FAILURE, "HUC17": D.TEMPORARY_FAILURE, "DAIR": D.DEAD_AIR,
        "SVYHU": D.HUNG_UP, "ERI": D.AGENT_ERROR, "AFTHRS": D.SUPPRESSED_RULE,
        "NEW": D.NOT_ATTEMPTED, "PU": D.NOT_ATTEMPTED,
    },
    "genesys": {
        "ININ-OUTBOUND-MACHINE": D.MACHINE, "ININ-OUTBOUND-FAX": D.FAX, "ININ-OUTBOUND-BUSY": D.BUSY,
        "ININ-OUTBOUND-NO-ANSWER": D.NO_ANSWER, "ININ-OUTBOUND-ABANDON": D.ABANDONED,
        "ININ-OUTBOUND-FAILED-TO-REACH-AGENT": D.ABANDONED, "ININ-OUTBOUND-DISCONNECT": D.HUNG_UP,
        "ININ-OUTBOUND-LIVE-VOICE": D.CONNECTED_OTHER, "ININ-OUTBOUND-SIT-UNCALLABLE": D.INVALID_NUMBER,
        "ININ-OUTBOUND-NUMBER_COULD_NOT_BE_DIALED": D.INVALID_NUMBER, "ININ-OUTBOUND-AMBIGUOUS": D.TEMPORARY_FAILURE,
        "ININ-OUTBOUND-DNC-SKIPPED": D.SUPPRESSED_DNC, "ININ-OUTBOUND-PREVIEW-SKIPPED": D.SUPPRESSED_RULE,
        "ININ-OUTBOUND-NOT-CALLABLE-TIME": D.SUPPRESSED_RULE, "ININ-OUTBOUND-CONTACT-NOT-FOUND": D.NOT_ATTEMPTED,
        "ININ-WRAP-UP-TIMEOUT": D.CONNECTED_OTHER,
    },
    "five9": {
        "No Answer": D.NO_ANSWER, "busy": D.BUSY, "Answering Machine": D.MACHINE, "Sent To Voicemail": D.MACHINE,
        "Fax": D.FAX, "Operator Intercept": D.INVALID_NUMBER, "Abandon": D.ABANDONED, "Do Not Call": D.DNC_REQUEST,
        "Dial Error": D.TEMPORARY_FAILURE, "No Disposition": D.AGENT_ERROR, "Caller Disconnected": D.HUNG_UP,
    },
    "amazon_connect": {
        "HUMAN_ANSWERED": D.CONNECTED_OTHER, "VOICEMAIL_NOBEEP": D.MACHINE, "AMD_UNANSWERED": D.NO_ANSWER,
        "TELECOM_TIMEOUT": D.NO_ANSWER, "SIT_TONE_BUSY": D.BUSY, "TELECOM_NUMBER_INVALID": D.INVALID_NUMBER,
        "FAX_MACHINE_DETECTED": D.FAX, "AMD_ERROR": D.TEMPORARY_FAILURE, "EXPIRED": D.NOT_ATTEMPTED,
        "OUTBUND_PREVIEW_DISCARDED": D.SUPPRESSED_RULE,
    },
    "twilio_voice": {
        "busy": D.BUSY, "no-answer": D.NO_ANSWER, "failed": D.TEMPORARY_FAILURE, "canceled": D.NOT_ATTEMPTED,
        "completed": D.CONNECTED_OTHER,
    },
}  # fmt: skip


NOT_OVER = {
    "vicidial": ["QUEUE", "INCALL", "dispo"],
    "twilio_voice": ["queued", "initiated", "ringing", "in-progress"],
}


def one_call(folder: Path, format: str, code: str) -> Path:
    """A file with one call that ended so, in the dialler's layout."""
    texts = {
        "vicidial": f"call_date\tphone_number_dialed\tstatus\tvendor_lead_code\tuniqueid\n"
        f"2026-12-04 10:00:00\t2125550101\t{code}\t{entry(1)}\t1.1\n",
        "genesys": f"inin-outbound-id,phone,CallRecordLastAttempt-phone,CallRecordLastResult-phone\n"
        f"{entry(1)},+12125550101,2026-12-04T15:00:00Z,{code}\n",
        "five9": f"CALL ID,TIMESTAMP,DISPOSITION,DNIS,token\n"
        f'1,"Fri, 04 Dec 2026 10:00:00",{code},2125550101,{entry(1)}\n',
        "amazon_connect": json.dumps(
            {
                "ContactId": "1",
                "InitiationTimestamp": "2026-12-04T15:00:00Z",
                "CustomerEndpoint": {"Address": "+12125550101"},
                "Attributes": {"token": entry(1)},
                "AnsweringMachineDetectionStatus": code,
            }
        ),
        "twilio_voice": f"token,call,result,at,status\n{entry(1)},+12125550101,,2026-12-04T15:00:00Z,{code}\n",
        "generic_csv": f"token,disposition,at,call_id,number\n{entry(1)},{code},2026-12-04T15:00:00Z,1,+12125550101\n",
    }
    path = folder / "calls.csv"
    path.write_text(texts[format], newline="")
    return path


@pytest.mark.parametrize(("format", "code"), [(format, code) for format, codes in CODES.items() for code in codes])
def test_each_code_means_what_the_table_says(tmp_path: Path, format: str, code: str) -> None:
    means, path = CODES[format][code], one_call(tmp_path, format, code)
    rows = list(read(path, format))
    assert [(r.token, r.disposition, r.at, r.number) for r in rows] == [
        (entry(1), means, utc(4, "15:00:00"), "+12125550101")
    ]
    assert rows == list(read(path, format)), "the same file twice is the same calls, by the same ids"


@pytest.mark.parametrize(("format", "code"), [(format, code) for format, codes in NOT_OVER.items() for code in codes])
def test_a_call_that_is_not_over_has_no_result(tmp_path: Path, format: str, code: str) -> None:
    """Recorded, it would keep out what became of it: each call counts once."""
    path = one_call(tmp_path, format, code)
    found = read(path, format)
    assert found.notes == ("calls that are not over yet left out (export and import them again later): 1",)
    assert list(found) == []
    assert told(read(path, format, wrap_ups={code: "agent_error"}), "disposition") == [(D.AGENT_ERROR,)]


@pytest.mark.parametrize("format", [*CODES, "generic_csv"])
def test_an_unknown_code_is_never_guessed(tmp_path: Path, format: str) -> None:
    path = one_call(tmp_path, format, "Gone fishing")
    with pytest.raises(InputError) as refused:
        read(path, format, wrap_ups={"other": "sale"})
    said = str(refused.value)
    assert "never guessed" in said
    assert "write under north in config/diallers.yaml" in said
    assert '    "Gone fishing": ...   # 1 call' in said
    assert said.endswith("nothing of this file was stored")
    known = read(path, format, wrap_ups={" gone FISHING ": "wrong_time"})
    assert told(known, "disposition") == [(D.WRONG_TIME,)]


def test_unknown_codes_are_listed_with_their_counts_beside_other_problems(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    lines = [f'{n},"Fri, 04 Dec 2026 10:00:00",{"Won" if n % 3 else "+1 212 555 0101"},2125550101,T' for n in range(9)]
    lines += ["9,yesterday,Won,2125550101,T", '10,"Fri, 04 Dec 2026 10:00:00",,2125550101,T']
    path.write_text("\n".join(["CALL ID,TIMESTAMP,DISPOSITION,DNIS,token", *lines]))
    with pytest.raises(InputError) as refused:
        read(path, "five9")
    said = str(refused.value).splitlines()
    assert said[0].startswith(f"{path}:11: timestamp 'yesterday' is no time")
    assert said[1] == f"{path}:12: the call has no disposition"
    assert said[2].startswith(f"{path}: 10 calls ended in a way that north has no meaning for")
    assert '    "Won": ...   # 7 calls' in said
    assert "0101" not in str(refused.value)
