"""The clean room of what a campaign came to: numbers in, pages out; nothing here decides, sends or writes the ledger.

    ledger.report_rows   one row per member and wave as known at a moment, in SQL; every count is a sum over these rows
    ledger.report        the sums, one statement for each table of numbers; the same rows streamed for the CSV files
    definitions.py       what each number means, with a version: change a rule, raise its version
    effect.py            treated against held out: pure arithmetic on counts (Newcombe, sample ratio, power, cost)
    holdouts.py          one holdout's result in the report, or why it is withheld
    numbers.py           the report as plain values, as `report --json` prints it; every view below reads only this
    terminal.py, page.py, flow.py, files.py    views: tables, one HTML file, its pictures, the folder of CSV files;
                         wording.py says numbers the same way in all of them

What a deeper review adds (attribution, departments, satisfaction, early warning) belongs in a module of its own beside
`effect.py` that takes counts and gives values, with its SQL in `ledger` and its definitions in `definitions.py`.
"""
