"""BurstGPT: requests to ChatGPT and GPT-4 of a campus, over 121 and 110 days.

Layout: README.md of github.com/HPMLL/BurstGPT. Six columns, `Timestamp,Model,Request tokens,Response tokens,Total
tokens,Log Type`, and two more, Session ID and Elapsed time, behind the first in newer files. Times are seconds from the
first day's midnight (not from 0 in the later files). Response tokens of 0 mark failed requests.
"""

from __future__ import annotations

from traces.formats.base import About, Example
from traces.formats.csv_text import CsvFormat, output, seconds, text, whole
from traces.time_unit import Times

FORMAT = CsvFormat(
    about=About(
        name="burstgpt",
        title="BurstGPT",
        publisher="HKUST (Guangzhou), github.com/HPMLL/BurstGPT",
        licence="CC-BY 4.0",
        recognised_by="header Timestamp, Request tokens, Response tokens (6 or 8 columns)",
        kept="Session ID, Elapsed time, Model, Log Type",
        times=Times("s"),
    ),
    example=Example(
        content=(
            b"Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
            b"19440110.0,1722ac82-0a46-4bf0,43,GPT-4,906,446,1352,Conversation log\n"
            b"19440161.0,,2,ChatGPT,36,0,36,API log\n"
            b"19440192.0,,8,GPT-4,1779,123,1902,API log\n"
        ),
        requests=((0.0, 906, 446), (82.0, 1779, 123)),
        kept={
            "Session ID": ["1722ac82-0a46-4bf0", ""],
            "Elapsed time": ["43", "8"],
            "Model": ["GPT-4", "GPT-4"],
            "Log Type": ["Conversation log", "API log"],
        },
        zero_output=1,
    ),
    columns=(
        seconds("Timestamp"),
        whole("Request tokens", "prompt_tokens", least=0),
        output("Response tokens"),
        text("Session ID"),
        text("Elapsed time"),
        text("Model"),
        text("Log Type"),
    ),
)
