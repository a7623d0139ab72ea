"""The file that keeps a position: whole whatever ends the process, wherever it is cut, and never quietly another beginning."""

import os
import stat
import tempfile
import unittest

from sigcast import DigestState, FileState, State, StateError

SLOT = 4096


def state(seq):
    return State(f"e-{seq}", "", DigestState("e-4", f"e-{seq}", 2, "ab" * 32))


def spoil(path, at, data):
    """Spoils bytes, as a write that was cut does."""
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(data)


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path = os.path.join(folder.name, "position")

    def test_what_was_saved_last_is_read_by_whoever_reads_it(self):
        store = FileState(self.path)
        self.assertIsNone(store.load())
        for seq in range(1, 10):
            store.save(state(seq))
            self.assertEqual(FileState(self.path).load(), state(seq))
        about = os.stat(self.path)
        self.assertEqual((about.st_size, stat.S_IMODE(about.st_mode)), (4 * SLOT, 0o600))
        # another process goes on
        FileState(self.path).save(State("e-10", "market=x"))
        self.assertEqual(FileState(self.path).load(), State("e-10", "market=x", None))
        with open(self.path, encoding="utf-8") as file:
            self.assertEqual(len(file.readlines()), 4, "a line for each slot")

    def test_a_slot_that_was_cut_gives_way_to_the_one_before(self):
        store = FileState(self.path, sync=1e9)
        for seq in [5, 6, 7]:
            store.save(state(seq))
        # the third was written to the second slot
        for at, data in [(SLOT, b"x"), (SLOT + 30, b"\0\0"), (SLOT, b" " * SLOT), (SLOT, b"\xff" * SLOT)]:
            spoil(self.path, at, data)
            self.assertEqual(FileState(self.path).load(), state(6), at)
        spoil(self.path, 0, b"\0" * SLOT)
        self.assertEqual(FileState(self.path).load(), state(5), "what the disk has confirmed")
        # and from there it goes on
        FileState(self.path).save(state(8))
        self.assertEqual(FileState(self.path).load(), state(8))

    def test_while_the_disk_is_asked_for_one_it_has_the_other(self):
        store = FileState(self.path, sync=0)
        for seq in [5, 6, 7, 8]:
            store.save(state(seq))
        spoil(self.path, 0, b"\0" * 2 * SLOT)
        self.assertEqual(FileState(self.path).load(), state(8))
        # the next is written over the older of the two
        FileState(self.path, sync=0).save(state(9))
        spoil(self.path, 0, b"\0" * 2 * SLOT)
        self.assertEqual(FileState(self.path).load(), state(9))
        with open(self.path, "rb") as file:
            held = file.read()
        for slot in [2, 3]:
            self.assertRegex(held[slot * SLOT : (slot + 1) * SLOT], b'"id": "e-[89]"')

    def test_a_file_that_holds_no_position_is_no_new_beginning(self):
        for bad in [b"", b"{", b"[]", b'{"id":"e-1","filter":""}', b"\0" * 4 * SLOT]:
            with open(self.path, "wb") as file:
                file.write(bad)
            for ask in [FileState(self.path).load, lambda: FileState(self.path).save(state(1))]:
                with self.assertRaises(StateError):
                    ask()
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), bad, "and is left as it is")

    def test_what_cannot_be_written_is_told_with_the_files_name(self):
        missing = os.path.join(self.folder, "none", "position")
        with self.assertRaisesRegex(StateError, missing):
            FileState(missing).save(state(1))
        with self.assertRaises(StateError):
            FileState(self.folder).load()
        with self.assertRaises(StateError):
            FileState(os.path.join(self.folder, "long")).save(State("e-1", "x" * 3_001))
        # the longest leaves room for all else
        full = State("e" * 64 + f"-{10**15}", "x" * 3_000, DigestState("e" * 64 + "-1", "e" * 64 + f"-{10**15}", 10**15, "ab" * 32))
        FileState(os.path.join(self.folder, "full")).save(full)
        self.assertEqual(FileState(os.path.join(self.folder, "full")).load(), full)

    def test_one_that_was_removed_meanwhile_is_made_again(self):
        store = FileState(self.path, sync=0)
        store.save(state(1))
        os.remove(self.path)
        store.save(state(2))
        self.assertEqual(FileState(self.path).load(), state(2))


if __name__ == "__main__":
    unittest.main()
