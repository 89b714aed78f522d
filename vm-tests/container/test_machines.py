"""What the machines and the store decide, without either."""

import json
import tempfile
import unittest
from pathlib import Path

import clickhouse_server
import debian
from nspawn import RequestedAssertionFailed, retry
from store import accounts, shell
from store.layer import Layer


class Waiting(unittest.TestCase):
    def test_what_becomes_true_is_waited_for_and_what_does_not_is_said(self):
        answers = iter([False, False, True])
        retry(lambda _last: next(answers), timeout=5, interval=0)
        with self.assertRaises(RequestedAssertionFailed):
            retry(lambda _last: False, timeout=0, interval=0)


class Accounts(unittest.TestCase):
    def test_a_user_gets_a_group_of_its_own_and_those_that_it_joins(self):
        users = {
            "hdfs": {
                "uid": None,
                "group": "hadoop",
                "extraGroups": ["disk"],
                "home": "/",
            }
        }
        passwd, group = accounts.merged(
            "root:x:0:0:r:/root:/bin/sh\n",
            "root:x:0:\ndisk:x:6:\n",
            users,
            {"hadoop": {"gid": 70, "members": []}},
        )
        self.assertEqual(
            passwd.splitlines()[1].split(":")[:4], ["hdfs", "x", "899", "70"]
        )
        self.assertIn("disk:x:6:hdfs", group.splitlines())

    def test_a_user_that_is_there_stays_as_it_is(self):
        text = "root:x:0:0:r:/root:/bin/sh\n"
        users = {
            "root": {"uid": 0, "group": "root", "extraGroups": [], "home": "/elsewhere"}
        }
        self.assertEqual(accounts.merged(text, "root:x:0:\n", users, {})[0], text)


class Store(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = Path(self.folder.name)

    def test_a_package_is_answered_by_name_with_scripts_texts_and_links(self):
        layer = Layer(
            self.root,
            {
                r"tool-[0-9.]+": {
                    "bin/tool": "#!/bin/sh\n",
                    "share/text": "text:a",
                    "lib": "/usr/lib",
                }
            },
            self.root,
        )
        out = "/nix/store/aaaa-tool-1.2"
        self.assertTrue(layer.package(out))
        self.assertTrue(
            (self.root / "nix/store/aaaa-tool-1.2/bin/tool").stat().st_mode & 0o100
        )
        self.assertEqual(
            (self.root / "nix/store/aaaa-tool-1.2/share/text").read_text(), "a"
        )
        self.assertEqual(
            str((self.root / "nix/store/aaaa-tool-1.2/lib").readlink()), "/usr/lib"
        )
        self.assertFalse(layer.package("/nix/store/bbbb-other-1"))

    def test_what_a_text_does_not_name_is_not_laid(self):
        layer = Layer(self.root, {}, self.root)
        layer.derivations.known["/nix/store/x-a.drv"] = {
            "outputs": {"out": {"path": "/nix/store/aaaa-a"}},
            "env": {"text": "hello"},
            "inputDrvs": {},
            "inputSrcs": [],
        }
        layer.refer(["/nix/store/x-a.drv"], "nothing of it")
        self.assertEqual(layer.done, {})
        layer.refer(["/nix/store/x-a.drv"], "ExecStart=/nix/store/aaaa-a")
        self.assertEqual((self.root / "nix/store/aaaa-a").read_text(), "hello")

    def test_a_script_finds_what_it_wants_as_files(self):
        found = shell.variables(
            {"value": "long", "passAsFile": "value", "name": "x"}, self.root
        )
        self.assertEqual(Path(found["valuePath"]).read_text(), "long")
        self.assertNotIn("value", found)


class ClickHouse(unittest.TestCase):
    def test_yaml_becomes_xml_with_attributes_and_repetitions(self):
        said = json.loads(
            '{"ip": ["::1", "127.0.0.1"], "hash": {"@from_env": "H"}, "on": true}'
        )
        xml = clickhouse_server.xml("user", said)
        self.assertEqual(
            xml,
            '<user><ip>::1</ip><ip>127.0.0.1</ip><hash from_env="H"></hash><on>true</on></user>',
        )


class Debian(unittest.TestCase):
    def test_every_template_is_filled(self):
        words = dict.fromkeys(
            (
                "node",
                "host",
                "java",
                "servers",
                "jars",
                "lake",
                "loader_hash",
                "reader_hash",
            ),
            "x",
        )
        for file in debian.FILES.rglob("*"):
            if file.is_file():
                self.assertNotRegex(
                    debian.filled(file.read_text(), words),
                    r"(?<![\w.@])@[a-z_]+@",
                    file.name,
                )


if __name__ == "__main__":
    unittest.main()
