from masksmith.cli import main

main()
